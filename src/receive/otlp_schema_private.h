/*
 * receive/otlp_schema_private.h: the messages of OTLP as a table for otlp_json.c: JSON key to field
 * number and type.
 */
#ifndef RECEIVE_OTLP_SCHEMA_PRIVATE_H
#define RECEIVE_OTLP_SCHEMA_PRIVATE_H

#include "base/port.h"

typedef enum json_type {
    JSON_TYPE_STRING,
    JSON_TYPE_BYTES, /* base64 */
    JSON_TYPE_ID,    /* hex digits; base64 by length */
    JSON_TYPE_BOOL,
    JSON_TYPE_INT64,
    JSON_TYPE_UINT64,
    JSON_TYPE_UINT32,
    JSON_TYPE_SINT32,
    JSON_TYPE_FIXED64,
    JSON_TYPE_SFIXED64,
    JSON_TYPE_FIXED32,
    JSON_TYPE_DOUBLE,
    JSON_TYPE_ENUM,
    JSON_TYPE_MESSAGE,
} json_type;

typedef struct json_field {
    const char *name; /* lowerCamelCase; the snake_case spelling is taken too */
    uint16_t number;
    uint8_t type;
    bool is_repeated;
    const struct json_message *message; /* JSON_TYPE_MESSAGE */
    const char *const *enum_names;      /* JSON_TYPE_ENUM: names of 0, 1, 2 …, then NULL */
} json_field;

typedef struct json_message {
    const json_field *fields;
    uint32_t field_count;
    bool is_item; /* one that can be refused alone: span, log record, data point */
} json_message;

extern const json_message json_any_value;

#endif
