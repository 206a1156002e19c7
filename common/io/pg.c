#include "pg.h"

#include <stddef.h>
