/*
 * event/fields.c: the semantic conventions' renames as one table, for `semconv.` fields, docs and
 * completion. Source: reference otlp.md §10. A row is the new name and the names it had, in the
 * order they are tried. Only plain renames are here: a name whose value was split, joined or
 * differs by span kind cannot be read as another.
 */
#include "event/fields.h"

#define NAMES_MAX 6

typedef struct semconv {
    const char *names[NAMES_MAX]; /* new first; the rest NULL */
} semconv;

static const semconv table[] = {
    {{"client.address", "http.client_ip"}},
    {{"client.port"}},
    {{"cloud.account.id"}},
    {{"cloud.platform"}},
    {{"cloud.provider"}},
    {{"cloud.region"}},
    {{"cloud.resource_id", "faas.id"}},
    {{"code.file.path", "code.filepath"}},
    {{"code.function.name", "code.function"}},
    {{"code.line.number", "code.lineno"}},
    {{"code.stacktrace"}},
    {{"db.collection.name", "db.sql.table", "db.mongodb.collection", "db.cassandra.table",
      "db.cosmosdb.container"}},
    {{"db.namespace", "db.name", "db.redis.database_index"}},
    {{"db.operation.batch.size"}},
    {{"db.operation.name", "db.operation"}},
    {{"db.query.summary"}},
    {{"db.query.text", "db.statement"}},
    {{"db.response.status_code"}},
    {{"db.system.name", "db.system"}},
    {{"deployment.environment.name", "deployment.environment"}},
    {{"error.type"}},
    {{"exception.message"}},
    {{"exception.stacktrace"}},
    {{"exception.type"}},
    {{"faas.invocation_id", "faas.execution"}},
    {{"faas.name"}},
    {{"faas.trigger"}},
    {{"feature_flag.key"}},
    {{"feature_flag.provider.name"}},
    {{"feature_flag.result.variant", "feature_flag.variant"}},
    {{"gen_ai.operation.name"}},
    {{"gen_ai.provider.name", "gen_ai.system"}},
    {{"gen_ai.request.model"}},
    {{"gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"}},
    {{"gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"}},
    {{"http.request.body.size", "http.request_content_length"}},
    {{"http.request.method", "http.method"}},
    {{"http.response.body.size", "http.response_content_length"}},
    {{"http.response.status_code", "http.status_code"}},
    {{"http.route"}},
    {{"messaging.batch.message_count"}},
    {{"messaging.client.id", "messaging.client_id"}},
    {{"messaging.consumer.group.name", "messaging.kafka.consumer.group"}},
    {{"messaging.destination.name", "messaging.destination"}},
    {{"messaging.destination.partition.id", "messaging.kafka.destination.partition"}},
    {{"messaging.kafka.offset", "messaging.kafka.message.offset"}},
    {{"messaging.message.id"}},
    {{"messaging.operation.name"}},
    {{"messaging.operation.type", "messaging.operation"}},
    {{"messaging.system"}},
    {{"network.peer.address", "net.sock.peer.addr", "net.peer.ip"}},
    {{"network.peer.port", "net.sock.peer.port"}},
    {{"network.protocol.name", "net.protocol.name"}},
    {{"network.protocol.version", "net.protocol.version", "http.flavor"}},
    {{"network.transport", "net.transport"}},
    {{"network.type"}},
    {{"otel.scope.name", "otel.library.name", F_LIBRARY_NAME}},
    {{"otel.scope.version", "otel.library.version", F_LIBRARY_VERSION}},
    {{"rpc.method"}},
    {{"rpc.response.status_code", "rpc.grpc.status_code", "rpc.status_code"}},
    {{"rpc.system.name", "rpc.system"}},
    /* Old server spans carry net.host.*, old client spans net.peer.*: the other one is seldom
       there. */
    {{"server.address", "net.host.name", "net.peer.name", "http.server_name", "http.host"}},
    {{"server.port", "net.host.port", "net.peer.port"}},
    {{"service.peer.name", "peer.service"}},
    {{"service.peer.namespace"}},
    {{"session.id"}},
    {{"url.full", "http.url"}},
    {{"url.path"}},
    {{"url.query"}},
    {{"url.scheme", "http.scheme"}},
    {{"url.template"}},
    {{"user.id", "enduser.id"}},
    {{"user.name"}},
    {{"user.roles", "enduser.role"}},
    {{"user_agent.original", "http.user_agent"}},
};

size_t semconv_names(span new_name, const char *const **ret_names)
{
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (!span_is(new_name, table[i].names[0]))
            continue;
        size_t count = 1;
        while (count < NAMES_MAX && table[i].names[count])
            count++;
        *ret_names = table[i].names;
        return count;
    }
    return 0;
}

bool semconv_row(size_t index, const char *ret_new_name[1])
{
    if (index >= COUNT_OF(table))
        return false;
    ret_new_name[0] = table[index].names[0];
    return true;
}
