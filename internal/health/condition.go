package health

import (
	"strings"
	"sync"

	"github.com/google/cel-go/cel"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Condition is one expression over several live objects, in the language of rules and with its bounds: the variable objects is a list of them, object the first.
// The zero Condition never holds.
type Condition struct{ expression }

// together is where conditions are compiled: that of rules, with the variable objects.
var together = sync.OnceValues(func() (*cel.Env, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	return env.Extend(cel.Variable("objects", cel.ListType(cel.DynType)))
})

// CompileCondition compiles a condition. An error is of kind fault.Invalid and names the position in it.
func CompileCondition(text string) (Condition, error) {
	if strings.TrimSpace(text) == "" {
		return Condition{}, fault.Newf(fault.Invalid, "the expression is empty")
	}
	env, err := together()
	if err != nil {
		return Condition{}, fault.New(fault.Internal, err)
	}
	program, err := compileIn(env, text)
	if err != nil {
		return Condition{}, fault.New(fault.Invalid, err)
	}
	return Condition{expression{"condition", text, program}}, nil
}

// String is the expression as it was written.
func (c Condition) String() string { return c.text }

// Holds reports whether the condition is true of objects. What they do not have makes it false. The error of any other mistake quotes no value of a Secret.
func (c Condition) Holds(objs []object.Object) (bool, error) {
	all := make([]any, len(objs))
	secret := false
	for i, o := range objs {
		all[i] = o.Content()
		secret = secret || o.Kind() == "Secret"
	}
	vars := map[string]any{"objects": all, "object": map[string]any{}}
	if len(all) > 0 {
		vars["object"] = all[0]
	}
	yes, err := c.holds(vars)
	if err != nil && secret {
		return false, fault.Newf(fault.Invalid, "cannot be evaluated")
	}
	if err != nil {
		return false, fault.Newf(fault.Invalid, "%s", line(err.Error()))
	}
	return yes, nil
}
