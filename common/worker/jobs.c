#include "jobs.h"

#include <stddef.h>
