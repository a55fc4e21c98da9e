#include "lib/hostile.h"

#ifdef DEBUG

void (*hostile_delay_hook)(void);
void (*hostile_switch_hook)(void);

#endif
