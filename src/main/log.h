/*
 * main/log.h: lines on standard error, one per event, for whoever runs the server: time, level, sentence. The only place
 * of the server that speaks; everything else returns errors or calls a `notice`.
 */
#ifndef MAIN_LOG_H
#define MAIN_LOG_H

#include "base/port.h"

typedef enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO } log_level;

void log_line(log_level level, const char *format, ...) format_like(2, 3);

#endif
