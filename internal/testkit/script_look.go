package testkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	sigsyaml "sigs.k8s.io/yaml"
)

const terminate = syscall.SIGTERM

// cmdWaitFor waits until a field has a value: waitfor [-n NAMESPACE] KIND/NAME JSONPATH VALUE. A value that begins with ~ is a regular expression. With ! it
// waits until the field does not have the value.
func (s *script) cmdWaitFor(neg bool, args []string) error {
	namespace, args := option(args, "-n", s.namespace)
	if len(args) != 3 {
		return errUsage
	}
	w, err := s.world()
	if err != nil {
		return err
	}
	matches, err := matcher(args[2])
	if err != nil {
		return err
	}
	err = Wait(s.ctx(), func(ctx context.Context) error {
		got, err := w.Objects.Field(ctx, namespace, args[0], args[1])
		if err == nil && matches(got) == neg {
			err = fmt.Errorf("%s of %s is %q", args[1], args[0], got)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, w.Objects.Print(s.ctx(), namespace, args[0]))
	}
	return nil
}

func matcher(value string) (func(string) bool, error) {
	pattern, ok := strings.CutPrefix(value, "~")
	if !ok {
		return func(got string) bool { return got == value }, nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	return re.MatchString, nil
}

// cmdGone waits until an object does not exist: gone [-n NAMESPACE] KIND/NAME...
func (s *script) cmdGone(_ bool, args []string) error {
	namespace, args := option(args, "-n", s.namespace)
	w, err := s.world()
	if err != nil {
		return err
	}
	for _, ref := range args {
		err := Wait(s.ctx(), func(ctx context.Context) error {
			_, err := w.Objects.Get(ctx, namespace, ref)
			switch {
			case err == nil:
				return fmt.Errorf("%s is still there", ref)
			case IsNotFound(err):
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cmdGet prints an object as JSON, or one field of it: get [-n NAMESPACE] KIND/NAME [JSONPATH]. With ! the object must not exist.
func (s *script) cmdGet(neg bool, args []string) error {
	namespace, args := option(args, "-n", s.namespace)
	if len(args) != 1 && len(args) != 2 {
		return errUsage
	}
	w, err := s.world()
	if err != nil {
		return err
	}
	u, err := w.Objects.Get(s.ctx(), namespace, args[0])
	switch {
	case neg && err == nil:
		return fmt.Errorf("%s exists", args[0])
	case neg && IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("get %s: %w", args[0], err)
	}
	if len(args) == 1 {
		_, err = fmt.Fprintln(s.ts.Stdout(), w.Objects.Print(s.ctx(), namespace, args[0]))
		return err
	}
	text, err := Field(u, args[1])
	if err == nil {
		_, err = fmt.Fprintln(s.ts.Stdout(), text)
	}
	return err
}

// cmdLet keeps a field in a variable: let NAME [-n NAMESPACE] KIND/NAME JSONPATH.
func (s *script) cmdLet(_ bool, args []string) error {
	if len(args) < 3 {
		return errUsage
	}
	variable := args[0]
	namespace, args := option(args[1:], "-n", s.namespace)
	w, err := s.world()
	if err != nil || len(args) != 2 {
		return errors.Join(err, errUsage)
	}
	text, err := w.Objects.Field(s.ctx(), namespace, args[0], args[1])
	if err == nil {
		s.ts.Setenv(variable, text)
	}
	return err
}

// cmdEvent waits for an Event about an object: event KIND/NAME REGEXP, where the expression is matched with "TYPE REASON NOTE".
func (s *script) cmdEvent(neg bool, args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	w, err := s.world()
	if err != nil {
		return err
	}
	re, err := regexp.Compile(args[1])
	if err != nil {
		return err
	}
	kind, name, _ := strings.Cut(args[0], "/")
	look := func(ctx context.Context) error {
		list, err := w.Objects.List(ctx, s.namespace, "events.events.k8s.io")
		if err != nil {
			return err
		}
		var seen []string
		for i := range list {
			text := eventText(&list[i], kind, name)
			if text != "" && re.MatchString(text) {
				return nil
			}
			seen = append(seen, text)
		}
		return fmt.Errorf("no event of %s matches %s, only:\n%s", args[0], args[1], strings.Join(slices.Compact(seen), "\n"))
	}
	if neg {
		if look(s.ctx()) == nil {
			return fmt.Errorf("an event of %s matches %s", args[0], args[1])
		}
		return nil
	}
	return Wait(s.ctx(), look)
}

// eventText is "TYPE REASON NOTE" of an Event about an object; empty if it is about another.
func eventText(u *unstructured.Unstructured, kind, name string) string {
	text := func(path ...string) string { v, _, _ := unstructured.NestedString(u.Object, path...); return v }
	if !strings.EqualFold(text("regarding", "kind"), kind) || text("regarding", "name") != name {
		return ""
	}
	return text("type") + " " + text("reason") + " " + text("note")
}

// cmdLogged checks whether the controller has logged a line about the namespace of the script that matches.
func (s *script) cmdLogged(neg bool, args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	w, err := s.world()
	if err != nil {
		return err
	}
	re, err := regexp.Compile(args[0])
	if err != nil {
		return err
	}
	for line := range strings.Lines(w.ctl.Log()) {
		if strings.Contains(line, s.namespace) && re.MatchString(line) {
			if neg {
				return fmt.Errorf("the controller logged %s", line)
			}
			return nil
		}
	}
	if neg {
		return nil
	}
	return fmt.Errorf("the controller logged nothing that matches %s", args[0])
}

// cmdEdit changes an object as a field manager does with an update: edit [-n NAMESPACE] MANAGER KIND/NAME PATCH [SUBRESOURCE]. The patch is a merge patch in
// YAML, or a JSON patch.
func (s *script) cmdEdit(_ bool, args []string) error {
	namespace, args := option(args, "-n", s.namespace)
	if len(args) != 3 && len(args) != 4 {
		return errUsage
	}
	w, err := s.world()
	if err != nil {
		return err
	}
	sub := ""
	if len(args) == 4 {
		sub = args[3]
	}
	return w.Objects.Patch(s.ctx(), args[0], namespace, args[1], s.expand(args[2]), sub)
}

// cmdFight makes an edit again whenever it was undone, until an app is in a phase: fight MANAGER KIND/NAME PATCH JSONPATH VALUE APP PHASE, where the field
// has the value after the edit; or deletes an object again whenever it is there: fight -delete KIND/NAME APP PHASE.
func (s *script) cmdFight(_ bool, args []string) error {
	w, err := s.world()
	if err != nil {
		return err
	}
	var hit func(context.Context) error
	switch {
	case len(args) == 4 && args[0] == "-delete":
		hit = func(ctx context.Context) error {
			if err := w.Objects.Delete(ctx, s.namespace, args[1]); !IsNotFound(err) {
				return err
			}
			return nil
		}
	case len(args) == 7:
		hit = func(ctx context.Context) error {
			got, err := w.Objects.Field(ctx, s.namespace, args[1], args[3])
			if err == nil && got != args[4] {
				err = w.Objects.Patch(ctx, args[0], s.namespace, args[1], s.expand(args[2]), "")
			}
			return err
		}
	default:
		return errUsage
	}
	app, want := args[len(args)-2], args[len(args)-1]
	return Wait(s.ctx(), func(ctx context.Context) error {
		phase, err := w.Objects.Field(ctx, s.namespace, app, ".status.phase")
		if err != nil || phase == want {
			return err
		}
		return errors.Join(hit(ctx), fmt.Errorf("%s is %s, want %s", app, phase, want))
	})
}

// cmdCreate creates the object of a file as a field manager: create MANAGER FILE.
func (s *script) cmdCreate(_ bool, args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	w, err := s.world()
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{}
	if err := sigsyaml.Unmarshal([]byte(s.expand(s.ts.ReadFile(args[1]))), &u.Object); err != nil {
		return err
	}
	return w.Objects.Create(s.ctx(), args[0], s.namespace, u)
}

func (s *script) cmdDelete(_ bool, args []string) error {
	namespace, args := option(args, "-n", s.namespace)
	w, err := s.world()
	if err != nil {
		return err
	}
	for _, ref := range args {
		if err := w.Objects.Delete(s.ctx(), namespace, ref); err != nil {
			return err
		}
	}
	return nil
}

// cmdMark remembers metrics, requests and the audit log as they are now.
func (s *script) cmdMark(bool, []string) error {
	w, err := s.world()
	if err != nil {
		return err
	}
	if s.before, err = w.ctl.Metrics(s.ctx()); err != nil {
		return err
	}
	if w.auditLog != "" {
		_, s.audited, err = w.Audit(0)
	}
	return err
}

// cmdMetric waits until a metric of the controller, or how much it has grown since mark, compares: metric [-since] NAME{label="value"} OP NUMBER.
func (s *script) cmdMetric(_ bool, args []string) error {
	since := len(args) > 0 && args[0] == "-since"
	if since {
		args = args[1:]
	}
	if len(args) != 3 {
		return errUsage
	}
	if s.own == nil {
		return errors.New("the controller is shared, and so is what it counts: begin the script with `plane own`")
	}
	want, err := strconv.ParseFloat(args[2], 64)
	if err != nil {
		return err
	}
	m, err := s.own.ctl.Metrics(s.ctx())
	if err != nil {
		return err
	}
	if since {
		m = m.Minus(s.before)
	}
	return compare(args[0], m.Sum(args[0]), args[1], want)
}

func compare(what string, got float64, op string, want float64) error {
	ok := false
	switch op {
	case "==":
		ok = got == want
	case "!=":
		ok = got != want
	case "<":
		ok = got < want
	case "<=":
		ok = got <= want
	case ">":
		ok = got > want
	case ">=":
		ok = got >= want
	default:
		return fmt.Errorf("%q is no comparison", op)
	}
	if !ok {
		return fmt.Errorf("%s is %v, want %s %v", what, got, op, want)
	}
	return nil
}

// cmdRequests compares how many requests the Git server got, or waits for it: requests [-wait] KIND OP NUMBER. Kinds are info/refs, ls-refs, fetch, ssh, and
// refused for what `gitserver fail` answered.
func (s *script) cmdRequests(_ bool, args []string) error {
	wait := len(args) > 0 && args[0] == "-wait"
	if wait {
		args = args[1:]
	}
	if len(args) != 3 {
		return errUsage
	}
	g, err := s.server()
	if err != nil {
		return err
	}
	want, err := strconv.ParseFloat(args[2], 64)
	if err != nil {
		return err
	}
	check := func(context.Context) error {
		return compare("requests "+args[0], float64(g.Count(args[0])), args[1], want)
	}
	if wait {
		return Wait(s.ctx(), check)
	}
	return check(s.ctx())
}

// cmdPolls watches the Git server for so many intervals and checks that it was asked about once in each: polls N INTERVAL.
func (s *script) cmdPolls(_ bool, args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	interval, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	g, err := s.server()
	if err != nil {
		return err
	}
	before := g.Count("ls-refs")
	select { // not a sleep: the time is what is tested
	case <-s.ctx().Done():
		return s.ctx().Err()
	case <-time.After(time.Duration(n) * interval):
	}
	asked := g.Count("ls-refs") - before
	if asked < 1 || asked > n+1 {
		return fmt.Errorf("the Git server was asked %d times in %d intervals", asked, n)
	}
	return nil
}

// cmdAudit watches the audit log for a time and checks that the controller, and whom it acts as, ask for nothing in it: audit quiet DURATION. Watches that
// end and begin anew, the Lease and the questions of the test itself are no requests in this sense.
func (s *script) cmdAudit(_ bool, args []string) error {
	if len(args) != 2 || args[0] != "quiet" {
		return errUsage
	}
	long, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	w, err := s.world()
	if err != nil {
		return err
	}
	_, from, err := w.Audit(0)
	if err != nil {
		return err
	}
	select { // not a sleep: the time is what is tested
	case <-s.ctx().Done():
		return s.ctx().Err()
	case <-time.After(long):
	}
	lines, _, err := w.Audit(from)
	if err != nil {
		return err
	}
	var loud []string
	for _, line := range lines {
		if text := request(line); text != "" {
			loud = append(loud, text)
		}
	}
	if len(loud) > 0 {
		return fmt.Errorf("%d requests in %s of idleness:\n%s", len(loud), long, strings.Join(loud, "\n"))
	}
	return nil
}

// request is a request of the controller in a line of the audit log; empty if it is none of interest.
func request(line string) string {
	var e struct {
		Verb, RequestURI string
		User             struct{ Username string }
		ImpersonatedUser *struct{ Username string }
		ObjectRef        struct{ Resource, Namespace, Name string }
	}
	if json.Unmarshal([]byte(line), &e) != nil || e.User.Username != "system:serviceaccount:"+Namespace+":fairlead" {
		return ""
	}
	if e.Verb == "watch" || e.ObjectRef.Resource == "leases" {
		return ""
	}
	as := ""
	if e.ImpersonatedUser != nil {
		as = " as " + e.ImpersonatedUser.Username
	}
	return e.Verb + " " + e.RequestURI + as
}
