/* The argument --routes of anqa_main. */
#ifndef CHANNEL_ROUTES_H
#define CHANNEL_ROUTES_H

#include "otp/argument.h" /* IWYU pragma: export */

extern struct main_argument routes_argument;

#endif
