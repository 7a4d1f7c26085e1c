/*
 * receive/reply_private.h: the reply shared by the OTLP rows of receive/table.c.
 */
#ifndef RECEIVE_REPLY_PRIVATE_H
#define RECEIVE_REPLY_PRIVATE_H

#include "receive/receive.h"

/* Export…ServiceResponse: empty on full success, else partial_success. */
void otlp_reply(const receive_output *done, receive_form form, const char *rejected_json_key,
                buf *out);

#endif
