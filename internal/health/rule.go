package health

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// environment is what expressions are compiled in: the library and the variable object. It is made once, when a rule first needs it.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewCustomEnv(
		library(),
		cel.Variable("object", cel.DynType),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxDepth),
		cel.ExpressionNodeLimit(maxNodes),
	)
})

// rule is a user's rule for one kind. An expression that was not given is never true.
type rule struct {
	failed, healthy, progressing expression
	// looksItself says that the rule compares observedGeneration on its own.
	looksItself bool
}

// expression is one compiled expression; the zero expression is absent.
type expression struct {
	name, text string
	program    cel.Program
}

func compile(t target, declared app.HealthRule) (rule, error) {
	var r rule
	if declared.APIVersion == "" || declared.Kind == "" || strings.TrimSpace(declared.Healthy) == "" {
		return rule{}, fault.Newf(fault.Invalid, "health rule for %s: apiVersion, kind and healthy must not be empty", t)
	}
	for _, e := range []struct {
		into       *expression
		name, text string
	}{
		{&r.failed, "failed", declared.Failed},
		{&r.healthy, "healthy", declared.Healthy},
		{&r.progressing, "progressing", declared.Progressing},
	} {
		if strings.TrimSpace(e.text) == "" {
			continue
		}
		program, err := compileText(e.text)
		if err != nil {
			return rule{}, fault.Newf(fault.Invalid, "health rule for %s: %s: %w", t, e.name, err)
		}
		*e.into = expression{e.name, e.text, program}
		r.looksItself = r.looksItself || strings.Contains(e.text, "observedGeneration")
	}
	return r, nil
}

func compileText(text string) (cel.Program, error) {
	env, err := environment()
	if err != nil {
		return nil, fault.New(fault.Internal, err)
	}
	return compileIn(env, text)
}

func compileIn(env *cel.Env, text string) (cel.Program, error) {
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		message := line(strings.TrimSuffix(first.Message, " (in container '')"))
		if first.Location.Line() < 1 { // too deep, too long: it is nowhere in particular
			return nil, errors.New(message)
		}
		return nil, fmt.Errorf("line %d, column %d: %s", first.Location.Line(), first.Location.Column()+1, message)
	}
	if kind := ast.OutputType(); !kind.IsExactType(cel.BoolType) && !kind.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("line 1, column 1: is a %s: write something that is true or false", kind)
	}
	program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost), cel.CostTracking(meter{}))
	if err != nil {
		return nil, err
	}
	return program, nil
}

// assess judges an object. A status of an earlier generation is not looked at, unless the rule compares generations itself: what it
// says was true before the change.
func (r rule) assess(o object.Object) Verdict {
	if v, ok := outdated(o); ok && !r.looksItself {
		return v
	}
	vars := map[string]any{"object": o.Content()}
	for _, e := range []struct {
		expression
		means Status
	}{{r.failed, Degraded}, {r.healthy, Healthy}, {r.progressing, Progressing}} {
		yes, err := e.holds(vars)
		switch {
		case err != nil && o.Kind() == "Secret": // CEL's errors quote values
			return sayf(Unknown, "health rule: %s cannot be evaluated", e.name)
		case err != nil:
			return sayf(Unknown, "health rule: %s: %s", e.name, err)
		case yes && e.means == Healthy:
			return say(Healthy, "")
		case yes:
			return sayf(e.means, "health rule: %s: %s", e.name, e.text)
		}
	}
	return sayf(Progressing, "health rule: not yet: %s", r.healthy.text)
}

// holds evaluates an expression. What is not there makes it false; any other error is the rule's.
func (e expression) holds(vars map[string]any) (bool, error) {
	if e.program == nil {
		return false, nil
	}
	out, _, err := e.program.Eval(vars)
	if err != nil {
		if absent(err) {
			return false, nil
		}
		return false, err
	}
	yes, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("is a %s, neither true nor false", out.Type().TypeName())
	}
	return bool(yes), nil
}

// absent reports whether an evaluation ended at something that the object does not have. CEL has no error types for that.
func absent(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "no such key") || strings.HasPrefix(text, "no such attribute") || strings.HasPrefix(text, "index out of bounds")
}
