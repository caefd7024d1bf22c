package object_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// values are JSON content.
func values(depth int) *rapid.Generator[any] {
	text := rapid.OneOf(rapid.SampledFrom([]string{"metadata", "name", "a", ""}), rapid.String())
	plain := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.Map(text, func(s string) any { return s }),
		rapid.Map(rapid.Int64(), func(n int64) any { return n }), rapid.Map(rapid.Float64(), func(f float64) any { return f }),
		rapid.SampledFrom([]any{int64(math.MinInt64), int64(math.MaxInt64), 1.0, math.Copysign(0, -1), map[string]any{}, []any{}}),
	)
	if depth == 0 {
		return plain
	}
	inner := values(depth - 1)
	return rapid.OneOf(plain,
		rapid.Map(rapid.SliceOfN(inner, 0, 4), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(text, inner, 0, 4), func(m map[string]any) any { return m }))
}

// TestPack: what is unpacked is what was packed, number for number.
func TestPack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		contents := rapid.SliceOfN(rapid.MapOfN(rapid.String(), values(3), 0, 5), 0, 5).Draw(t, "objects")
		var objs []object.Object
		for i, c := range contents {
			at := object.Origin{File: rapid.SampledFrom([]string{"", "a.yaml"}).Draw(t, "file"), Line: rapid.IntRange(0, 300*i).Draw(t, "line")}
			veiled := rapid.SampledFrom([][]string{nil, {"data.a"}, {"data.a", "spec"}}).Draw(t, "veiled")
			objs = append(objs, object.New(c).WithOrigin(at).WithVeiled(veiled))
		}
		p := object.Pack(objs)
		got := p.Unpack()
		if len(got) != len(objs) || p.Len() != len(objs) || fmt.Sprint(p) != fmt.Sprintf("%d objects", len(objs)) {
			t.Fatalf("%d objects of %d, %s", len(got), len(objs), p)
		}
		for i, o := range got {
			if d := cmp.Diff(objs[i].Content(), o.Content()); d != "" || o.Origin() != objs[i].Origin() || o.Hash() != objs[i].Hash() || !slices.Equal(o.Veiled(), objs[i].Veiled()) {
				t.Fatalf("%s: %s", o.Origin(), d)
			}
		}
	})
}

// BenchmarkPack packs and unpacks an app of five objects.
func BenchmarkPack(b *testing.B) {
	var objs []object.Object
	for i := range 5 {
		parsed, err := object.Parse("a.yaml", []byte(fmt.Sprintf(deployment, i)))
		if err != nil {
			b.Fatal(err)
		}
		objs = append(objs, parsed...)
	}
	b.Run("pack", func(b *testing.B) {
		for b.Loop() {
			object.Pack(objs)
		}
	})
	p := object.Pack(objs)
	b.Run("unpack", func(b *testing.B) {
		for b.Loop() {
			p.Unpack()
		}
	})
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-%d
  labels: {app.kubernetes.io/name: web, app.kubernetes.io/part-of: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app.kubernetes.io/name: web}}
  template:
    metadata: {labels: {app.kubernetes.io/name: web}}
    spec:
      containers:
      - name: web
        image: registry.example.com/shop/web:1.4.2
        ports: [{name: http, containerPort: 8080}]
        env: [{name: LEVEL, value: info}, {name: THEME, value: dark}]
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}
        readinessProbe: {httpGet: {path: /healthz, port: http}}
`
