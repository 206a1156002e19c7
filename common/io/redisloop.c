#include "redisloop.h"

#include <stddef.h>
