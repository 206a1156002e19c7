#include "pgloop.h"

#include <stddef.h>
