#include "moodle.h"

#include <stddef.h>
