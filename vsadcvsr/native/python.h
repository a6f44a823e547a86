/* The few Python calls that the shim needs, found in the running process: nothing links libpython, so that one
   library serves every Python from 3.12 on (all of these belong to its stable ABI). */
#ifndef ADCVSR_PYTHON_H
#define ADCVSR_PYTHON_H

#include <stddef.h>

/* Calls module.function() without arguments on this thread, taking the interpreter lock for that long.
   Returns 1, or 0 with one line of explanation in `why`. */
int python_call(const char *module, const char *function, char *why, size_t size);

#endif
