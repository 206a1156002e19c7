#include "poolmsg.h"

#include <stddef.h>
