#include "redis.h"

#include <stddef.h>
