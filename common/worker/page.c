#include "page.h"

#include <stddef.h>
