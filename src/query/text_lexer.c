/*
 * query/text_lexer.c: cuts query text into tokens. Called by text.c and text_print.c.
 * Never: reads past the text; allocates except for quoted strings that hold escapes.
 * Considered: re2c and flex (a generator for eight kinds of token).
 */
#include "query/text_lexer.h"

#include "wire/json.h"

static const char *const reserved[] = {
    "FROM",  "WHERE",   "GROUP", "BY", "HAVING", "ORDER", "LIMIT", "SINCE", "UNTIL", "FOR",
    "EVERY", "COMPARE", "AND",   "OR", "TRUE",   "FALSE", "NULL",  "ASC",   "DESC"};

static bool is_word_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("_.-:/+@$", c));
}

text_lexer text_lexer_of(span text, arena *mem)
{
    return (text_lexer){.all = text, .mem = mem};
}

static text_kind bad(text_lexer *l, const char *why)
{
    l->why = why;
    return l->kind = TEXT_BAD;
}

static text_kind lex_quoted(text_lexer *l)
{
    size_t end = l->offset + 1;
    while (end < l->all.len && l->all.at[end] != '"')
        end += l->all.at[end] == '\\' ? 2 : 1;
    if (end >= l->all.len)
        return bad(l, "the quote that opens here is not closed");
    l->at = end + 1;
    json j = json_of(span_of(l->all.at + l->offset, l->at - l->offset), l->mem);
    if (json_next(&j) != JSON_STRING)
        return bad(l, "what is quoted here is not a JSON string: escapes are \\\" \\\\ \\/ \\b \\f "
                      "\\n \\r \\t \\u0000, and control characters must be escaped");
    l->text = j.text;
    return l->kind = TEXT_QUOTED;
}

static text_kind lex_sign(text_lexer *l)
{
    uint8_t c = l->all.at[l->offset];
    bool has_equal = l->at < l->all.len && l->all.at[l->at] == '=';
    switch (c) {
    case ',': return l->kind = TEXT_COMMA;
    case '(': return l->kind = TEXT_OPEN;
    case ')': return l->kind = TEXT_CLOSE;
    case '!':
        if (!has_equal)
            return bad(l, "! stands only in !=");
        break;
    case '=': has_equal = false; break;
    case '<':
    case '>': break;
    case '\'': return bad(l, "strings are written in double quotes");
    default:
        return bad(l,
                   "unexpected character; names with such characters are written in double quotes");
    }
    l->at += has_equal;
    l->text = span_of(l->all.at + l->offset, l->at - l->offset);
    return l->kind = TEXT_COMPARE;
}

text_kind text_next(text_lexer *l)
{
    if (l->kind == TEXT_BAD)
        return TEXT_BAD;
    while (l->at < l->all.len && memchr(" \t\r\n", l->all.at[l->at], 4))
        l->at++;
    l->offset = l->at;
    if (l->at == l->all.len) {
        l->text = (span){NULL, 0};
        return l->kind = TEXT_END;
    }
    uint8_t c = l->all.at[l->at];
    if (c == '"')
        return lex_quoted(l);
    if (!is_word_byte(c)) {
        l->at++;
        l->text = span_of(l->all.at + l->offset, 1);
        return lex_sign(l);
    }
    while (l->at < l->all.len && is_word_byte(l->all.at[l->at]))
        l->at++;
    l->text = span_of(l->all.at + l->offset, l->at - l->offset);
    return l->kind = TEXT_WORD;
}

bool text_is_keyword(const text_lexer *l, const char *keyword)
{
    return l->kind == TEXT_WORD && span_equal_nocase(l->text, span_text(keyword));
}

bool text_is_reserved(span word)
{
    for (size_t i = 0; i < COUNT_OF(reserved); i++)
        if (span_equal_nocase(word, span_text(reserved[i])))
            return true;
    return false;
}

const char *text_reserved_at(size_t index, const void *ctx)
{
    return index < COUNT_OF(reserved) ? reserved[index] : NULL;
}

bool text_is_bare_name(span name)
{
    calc_op op;
    if (name.len == 0 || text_is_reserved(name) || calc_op_parse(name, &op))
        return false;
    uint8_t c = name.at[0];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'))
        return false;
    for (size_t i = 1; i < name.len; i++)
        if (!is_word_byte(name.at[i]))
            return false;
    return true;
}

static const struct {
    char unit;
    int64_t seconds;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}, {'w', 604800}};

bool text_duration(span word, int64_t *ret_s)
{
    uint64_t count;
    if (word.len < 2 || !span_to_u64(span_first(word, word.len - 1), &count))
        return false;
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (word.at[word.len - 1] == units[i].unit &&
            count <= (uint64_t)(SPEC_TIME_MAX_S / units[i].seconds)) {
            *ret_s = (int64_t)count * units[i].seconds;
            return true;
        }
    return false;
}

void text_print_duration(int64_t seconds, buf *out)
{
    size_t i = 0;
    while (units[i].seconds > 1 && (seconds == 0 || seconds % units[i].seconds != 0))
        i++;
    buf_print(out, "%lld%c", (long long)(seconds / units[i].seconds), units[i].unit);
}
