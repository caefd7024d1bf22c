package jsonnet_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/render/jsonnet"
)

func TestMain(m *testing.M) {
	jsonnet.Main() // this program is the child that evaluates
	os.Exit(m.Run())
}

// program is a request for one file, and nothing beside it.
func program(text string, limits jsonnet.Limits) jsonnet.Request {
	return jsonnet.Request{File: "main.jsonnet", Limits: limits, Import: func(_, path string) (string, []byte, error) {
		if path != "main.jsonnet" {
			return "", nil, fault.Newf(fault.Invalid, "%s does not exist", path)
		}
		return path, []byte(text), nil
	}}
}

const object = "{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } }"

// TestHostile: what never ends, or makes more than there may be, is refused with the reason, while what is beside it is evaluated.
func TestHostile(t *testing.T) {
	tight := jsonnet.Limits{Computing: time.Second, Memory: 64 << 20, Output: 1 << 20}
	const memory, computing, output = "needs more than 64 MiB of memory", "takes more than 1s of a processor", "renders to more than 1 MiB"
	for name, c := range map[string]struct{ text, want string }{
		"endless recursion": {"local f(x) = 1 + f(x); f(1)", "max stack frames exceeded"},
		"endless tail call": {"local f(x) = f(x + 1) tailstrict; f(1)", "max stack frames exceeded|nested too deeply|" + computing + "|" + memory},
		"endless import":    {"import 'main.jsonnet'", "max stack frames exceeded"},
		"endless fold":      {"std.foldl(function(a, b) (a + b) % 7, [i * j for i in std.range(1, 1500) for j in std.range(1, 1500)], 0)", memory + "|" + computing},
		"billion steps":     {"local f(n) = if n == 0 then 0 else f(n - 1) + f(n - 1) + f(n - 1); f(40)", computing},
		"endless range":     {"std.length(std.range(1, 1000000000000))", "Expected an integer"},
		"huge range":        {"std.length(std.range(1, 2000000000))", memory},
		"huge range slowly": {"std.length([x for x in std.range(1, 30000000)])", memory},
		"huge repeat":       {"std.length(std.repeat('abcdefgh', 1000000000))", memory + "|" + computing},
		"huge array":        {"std.length(std.makeArray(1000000000, function(i) i))", memory},
		"huge format":       {"std.length('%1000000000d' % 3)", memory + "|" + computing + "|max stack frames exceeded"},
		"doubled text":      {"local f(s, n) = if n == 0 then s else f(s + s, n - 1); std.length(f('abcdefgh', 40))", memory + "|" + computing},
		"doubled array":     {"local f(s, n) = if n == 0 then s else f(s + s, n - 1); f([1, 2, 3, 4], 40)", memory + "|" + computing},
		"doubled object":    {"local f(n) = if n == 0 then {} else { a: f(n - 1), b: f(n - 1) }; f(30)", memory + "|" + computing},
		"large output":      {"local f(s, n) = if n == 0 then s else f(s + s, n - 1), a = f('abcdefgh', 8); [" + object + " + { data: { a: a } } for i in std.range(1, 1000)]", output},
		"long error":        {"error std.join('', std.makeArray(100000, function(i) 'a'))", "aaaa …"},
		"deep value":        {"local f(n) = if n == 0 then " + object + " else [f(n - 1)]; f(150)", "nested deeper than 100"},
		"deep brackets":     {strings.Repeat("[", 3_000_000), "nested too deeply|" + memory + "|" + computing},
		"deep sums":         {strings.Repeat("1+", 300_000) + "1", "nested too deeply|" + memory + "|" + computing + "|max stack frames exceeded|is a number"},
		"no text":           {"\xff\xfe\x00", "main.jsonnet:1"},
		"trace":             {"std.trace(std.repeat('a', 100000), 3)", "number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := jsonnet.Evaluate(program(c.text, tight))
			if fault.KindOf(err) != fault.Invalid || len(err.Error()) > 4000 {
				t.Fatalf("%s: %v", fault.KindOf(err), err)
			}
			told := false
			for want := range strings.SplitSeq(c.want, "|") {
				told = told || strings.Contains(err.Error(), want)
			}
			if !told {
				t.Errorf("%v\nand not %q", err, c.want)
			}
			t.Logf("%s: %.300s", time.Since(began).Round(time.Millisecond), err)
		})
	}
}

// TestBeside: who exhausts the budget does not take it from others.
func TestBeside(t *testing.T) {
	var wait sync.WaitGroup
	wait.Go(func() {
		_, err := jsonnet.Evaluate(program("local f(n) = if n == 0 then 0 else f(n - 1) + f(n - 1) + f(n - 1); f(40)", jsonnet.Limits{Computing: 2 * time.Second}))
		if err == nil || !strings.Contains(err.Error(), "more than 2s of a processor") {
			t.Errorf("%v", err)
		}
	})
	for i := range 5 {
		found, err := jsonnet.Evaluate(program(object, jsonnet.Limits{}))
		if err != nil || len(found) != 1 {
			t.Errorf("%d: %v, %v", i, found, err)
		}
	}
	wait.Wait()
}

// TestTrouble: what is no fault of the program is passed on as it is.
func TestTrouble(t *testing.T) {
	req := program("import 'other.jsonnet'", jsonnet.Limits{})
	read, trouble := req.Import, errors.New("the disk is gone")
	req.Import = func(from, path string) (string, []byte, error) {
		if path == "other.jsonnet" {
			return "", nil, fault.New(fault.Transient, trouble)
		}
		return read(from, path)
	}
	if _, err := jsonnet.Evaluate(req); !errors.Is(err, trouble) || fault.KindOf(err) != fault.Transient {
		t.Errorf("%v", err)
	}
	late := program("local f(n) = if n == 0 then 0 else f(n - 1) + f(n - 1) + f(n - 1); f(40)", jsonnet.Limits{Wall: 300 * time.Millisecond})
	if _, err := jsonnet.Evaluate(late); fault.KindOf(err) != fault.Transient || !strings.Contains(fmt.Sprint(err), "too busy") {
		t.Errorf("%v", err)
	}
}

// TestEnvironment: a child knows nothing of the machine that it runs on.
func TestEnvironment(t *testing.T) {
	t.Setenv("CANARY", "sings")
	for _, text := range []string{"importstr '/proc/self/environ'", "importstr '../../../../../../proc/self/environ'", "importbin '/etc/hostname'", "std.extVar('CANARY')"} {
		if found, err := jsonnet.Evaluate(program(text, jsonnet.Limits{})); err == nil || strings.Contains(err.Error(), "sings") {
			t.Errorf("%s: %v, %v", text, found, err)
		}
	}
}

// FuzzEvaluate: whatever is written, the child answers, or is ended for a reason that the user can mend; and it answers the same again.
func FuzzEvaluate(f *testing.F) {
	for _, text := range []string{
		object, "[" + object + "]", "local a = import 'main.jsonnet'; a", "{ a:: 1, b: { c: " + object + " } }", "function(x=1) [x]", "{ [k]: 1 for k in ['a'] }",
		"local o = { a: 1, assert self.a > 0 }; o + { a+: 1 }", "std.parseYaml('a: [1, 2]')", "|||\n  text\n|||", "{ apiVersion: 'v1', kind: 'List', items: null }",
		"super.a", "self", "$", "1 / 0", "'%s' % [1]", "std.native('sha256')('a')", "\xff", "{ local x = error 'no', a: x }",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		limits := jsonnet.Limits{Computing: 2 * time.Second, Memory: 64 << 20, Output: 1 << 20, Wall: 30 * time.Second}
		found, err := jsonnet.Evaluate(program(text, limits))
		if err != nil {
			if fault.KindOf(err) != fault.Invalid || len(err.Error()) > 4000+len(text) {
				t.Fatalf("%s: %v", fault.KindOf(err), err)
			}
			return
		}
		again, err := jsonnet.Evaluate(program(text, limits))
		if fmt.Sprint(found, nil) != fmt.Sprint(again, err) {
			t.Fatalf("%v, and then %v, %v", found, again, err)
		}
	})
}
