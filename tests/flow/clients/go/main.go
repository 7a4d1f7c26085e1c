// Sends the story of ../README.md with the Go SDK over the protocol in OTEL_EXPORTER_OTLP_PROTOCOL.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	ctx := context.Background()
	var spans sdktrace.SpanExporter
	var logs sdklog.Exporter
	var points sdkmetric.Exporter
	switch protocol := os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"); protocol {
	case "grpc":
		spans, logs, points = must(otlptracegrpc.New(ctx)), must(otlploggrpc.New(ctx)), must(otlpmetricgrpc.New(ctx))
	case "", "http/protobuf":
		spans, logs, points = must(otlptracehttp.New(ctx)), must(otlploghttp.New(ctx)), must(otlpmetrichttp.New(ctx))
	default:
		log.Fatalf("the Go SDK has no exporter for %s", protocol)
	}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	loggers := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(logs)))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points)))

	tracer := tracers.Tracer("orders", trace.WithInstrumentationVersion("1.2.3"))
	inside, server := tracer.Start(ctx, "GET /orders/{id}", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("user.id", "u-1"), attribute.Int("order.id", 42), attribute.Float64("order.total", 1.5),
		attribute.Bool("order.paid", true), attribute.StringSlice("order.items", []string{"a", "b"})))
	emit(loggers.Logger("orders"), inside, otellog.SeverityInfo, "INFO", "order 42 loaded")
	_, load := tracer.Start(inside, "load order")
	load.RecordError(errors.New("no such item"))
	load.SetStatus(codes.Error, "no such item")
	load.End()
	other := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: must(trace.TraceIDFromHex("11111111222222223333333344444444")), SpanID: must(trace.SpanIDFromHex("5555555566666666")), TraceFlags: 1})
	_, query := tracer.Start(inside, "SELECT orders", trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(trace.Link{SpanContext: other}),
		trace.WithAttributes(attribute.String("db.system.name", "postgresql"), attribute.String("server.address", "db.local")))
	query.End()
	server.End()
	emit(loggers.Logger("orders"), ctx, otellog.SeverityError, "ERROR", "payment failed")

	meter := meters.Meter("orders", metric.WithInstrumentationVersion("1.2.3"))
	must(meter.Int64Counter("orders")).Add(ctx, 3, metric.WithAttributes(attribute.String("tier", "gold")))
	histogram := must(meter.Float64Histogram("order.latency", metric.WithUnit("ms")))
	for _, value := range []float64{5, 50, 500} {
		histogram.Record(ctx, value)
	}
	must(meter.Int64Gauge("queue.depth")).Record(ctx, 7)

	if err := errors.Join(tracers.Shutdown(ctx), loggers.Shutdown(ctx), meters.Shutdown(ctx)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(server.SpanContext().TraceID())
}

func emit(logger otellog.Logger, ctx context.Context, severity otellog.Severity, text, body string) {
	var record otellog.Record
	record.SetSeverity(severity)
	record.SetSeverityText(text)
	record.SetBody(attribute.StringValue(body))
	logger.Emit(ctx, record)
}
