#include "lease.h"

#include <stddef.h>
