// Sends the story of ../README.md with the Java SDK; endpoint, protocol and headers come from the OTEL_* variables.

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;
import java.util.List;
import java.util.concurrent.TimeUnit;

public final class Emit {
    public static void main(String[] args) {
        OpenTelemetrySdk sdk = AutoConfiguredOpenTelemetrySdk.builder().disableShutdownHook().build().getOpenTelemetrySdk();
        var tracer = sdk.getTracer("orders", "1.2.3");
        var logger = sdk.getLogsBridge().loggerBuilder("orders").build();
        var other = SpanContext.create("11111111222222223333333344444444", "5555555566666666", TraceFlags.getSampled(), TraceState.getDefault());

        Span server = tracer.spanBuilder("GET /orders/{id}").setSpanKind(SpanKind.SERVER).setAttribute("user.id", "u-1")
            .setAttribute("order.id", 42).setAttribute("order.total", 1.5).setAttribute("order.paid", true)
            .setAttribute(AttributeKey.stringArrayKey("order.items"), List.of("a", "b")).startSpan();
        try (Scope inside = server.makeCurrent()) {
            logger.logRecordBuilder().setSeverity(Severity.INFO).setSeverityText("INFO").setBody("order 42 loaded").emit();
            Span load = tracer.spanBuilder("load order").startSpan();
            load.recordException(new IllegalStateException("no such item"));
            load.setStatus(StatusCode.ERROR, "no such item");
            load.end();
            tracer.spanBuilder("SELECT orders").setSpanKind(SpanKind.CLIENT).addLink(other).setAttribute("db.system.name", "postgresql")
                .setAttribute("server.address", "db.local").startSpan().end();
        }
        server.end();
        logger.logRecordBuilder().setContext(Context.root()).setSeverity(Severity.ERROR).setSeverityText("ERROR").setBody("payment failed").emit();

        var meter = sdk.meterBuilder("orders").setInstrumentationVersion("1.2.3").build();
        meter.counterBuilder("orders").build().add(3, Attributes.of(AttributeKey.stringKey("tier"), "gold"));
        var histogram = meter.histogramBuilder("order.latency").setUnit("ms").build();
        for (double value : new double[] {5, 50, 500}) {
            histogram.record(value);
        }
        meter.gaugeBuilder("queue.depth").build().set(7);

        sdk.shutdown().join(20, TimeUnit.SECONDS);
        System.out.println(server.getSpanContext().getTraceId());
    }
}
