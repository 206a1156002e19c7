#include "progress.h"

#include <stddef.h>
