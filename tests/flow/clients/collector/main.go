// Sends a trace, a log record and a metric with the OpenTelemetry Collector's own exporters, as a Collector would with its default
// settings (gzip, queue, retries). usage: collector otlp|otlphttp ENDPOINT KEY SERVICE; prints the trace id.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func traces(service string, id pcommon.TraceID) ptrace.Traces {
	out := ptrace.NewTraces()
	resource := out.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", service)
	spans := resource.ScopeSpans().AppendEmpty().Spans()
	for i := 0; i < 100; i++ {
		span := spans.AppendEmpty()
		span.SetTraceID(id)
		span.SetSpanID(pcommon.SpanID{1, 0, 0, 0, 0, 0, 0, byte(i)})
		if i > 0 {
			span.SetParentSpanID(pcommon.SpanID{1, 0, 0, 0, 0, 0, 0, 0})
		}
		span.SetName("collected")
		span.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-time.Second)))
		span.SetEndTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		span.Attributes().PutInt("index", int64(i))
	}
	return out
}

func logs(service string) plog.Logs {
	out := plog.NewLogs()
	resource := out.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", service)
	record := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	record.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	record.SetSeverityNumber(plog.SeverityNumberWarn)
	record.Body().SetStr("a line")
	return out
}

func metrics(service string) pmetric.Metrics {
	out := pmetric.NewMetrics()
	resource := out.ResourceMetrics().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", service)
	metric := resource.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	metric.SetName("queue.size")
	point := metric.SetEmptyGauge().DataPoints().AppendEmpty()
	point.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	point.SetIntValue(7)
	return out
}

func main() {
	ctx, kind, service := context.Background(), os.Args[1], os.Args[4]
	factory := otlphttpexporter.NewFactory()
	if kind == "otlp" {
		factory = otlpexporter.NewFactory()
	}
	config := factory.CreateDefaultConfig()
	must(confmap.NewFromStringMap(map[string]any{
		"endpoint": os.Args[2],
		"headers":  map[string]any{"x-honeycomb-team": os.Args[3]},
		"tls":      map[string]any{"insecure": true},
	}).Unmarshal(config))
	set := exportertest.NewNopSettings(factory.Type())
	t, err := factory.CreateTraces(ctx, set, config)
	must(err)
	l, err := factory.CreateLogs(ctx, set, config)
	must(err)
	m, err := factory.CreateMetrics(ctx, set, config)
	must(err)
	all := []component.Component{t, l, m}
	for _, c := range all {
		must(c.Start(ctx, componenttest.NewNopHost()))
	}
	var id pcommon.TraceID
	_, err = rand.Read(id[:])
	must(err)
	must(t.ConsumeTraces(ctx, traces(service, id)))
	must(l.ConsumeLogs(ctx, logs(service)))
	must(m.ConsumeMetrics(ctx, metrics(service)))
	for _, c := range all {
		must(c.Shutdown(ctx)) // sends what is queued
	}
	fmt.Println(id.String())
}
