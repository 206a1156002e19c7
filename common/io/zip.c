#include "zip.h"

#include <stddef.h>
