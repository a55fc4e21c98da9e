/*
 * The real-time clock.
 */
#ifndef QUIRE_DEV_RTC_H
#define QUIRE_DEV_RTC_H

#include "lib/types.h"

/* Map the clock's registers. Boot hart, once. */
void rtc_init(void);
/* The time of day in ns since 1970 (UTC); false if the machine has no clock. */
bool rtc_read(uint64_t *nsec);

#endif
