package kubetest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/json"
)

// Server is an API server that is held to the contract.
type Server struct {
	// Client acts as an administrator.
	Client dynamic.Interface
	// Discovery says which kinds there are.
	Discovery interface {
		ServerGroupsAndResources() ([]*metav1.APIGroup, []*metav1.APIResourceList, error)
	}
	// Settle lets controllers do what they have to; nil if they do so by themselves.
	Settle func()
	// Compact makes the server forget from which changes on somebody may watch.
	Compact func()
}

// patience is how long an answer that has to come may take.
const patience = time.Minute

// script is a case being run.
type script struct {
	server    Server
	namespace string
	seen      map[string]*unstructured.Unstructured // the newest answer by name
	first     map[string]string                     // the oldest resourceVersion by name
	list      string                                // the resourceVersion of the newest list
	next      string                                // where it goes on
	events    <-chan apiwatch.Event
	stop      func()
	names     *namer
	out       strings.Builder
}

// Play sends requests in a namespace, which must exist, and returns the transcript.
func Play(ctx context.Context, s Server, namespace string, ops []Op) (string, error) {
	x := &script{
		server: s, namespace: namespace, seen: map[string]*unstructured.Unstructured{}, first: map[string]string{}, stop: func() {},
		names: newNamer(namespace),
	}
	defer func() { x.stop() }()
	for _, op := range ops {
		fmt.Fprintf(&x.out, "> %s\n", op)
		answer, err := x.do(ctx, op)
		if err != nil {
			var status apierrors.APIStatus
			if !errors.As(err, &status) {
				return x.out.String(), fmt.Errorf("%s: %w", op, err)
			}
			x.out.WriteString(x.names.refusal(status.Status()))
			continue
		}
		x.out.WriteString(x.names.print(answer))
	}
	return x.out.String(), nil
}

// do sends one request and returns what is printed of the answer.
func (x *script) do(ctx context.Context, op Op) (any, error) {
	at := op.object()
	c := x.at(op, at)
	switch op.Do {
	case "create", "update", "merge", "json", "apply", "get":
		u, err := x.one(ctx, c, at, op)
		if err != nil {
			return nil, err
		}
		if !op.DryRun {
			x.note(at.name, u)
		}
		return u.Object, nil
	case "delete":
		return nil, c.Delete(ctx, at.name, x.deletion(op))
	case "deletecollection":
		return nil, c.DeleteCollection(ctx, x.deletion(op), metav1.ListOptions{LabelSelector: op.Selector})
	case "list":
		return x.lists(ctx, c, op)
	case "watch":
		return nil, x.watch(ctx, c, op)
	case "events":
		return x.take(op.Count)
	case "gone", "going":
		return nil, x.wait(ctx, c, op.Do, at.name)
	case "discover":
		return x.discover(op.At)
	case "compact":
		x.server.Compact()
		return nil, nil
	}
	return nil, fmt.Errorf("no request is called %q", op.Do)
}

func (x *script) at(op Op, o object) dynamic.ResourceInterface {
	c := x.server.Client.Resource(o.gvr)
	switch op.Namespace {
	case "":
		return c.Namespace(x.namespace)
	case "-":
		return c
	}
	return c.Namespace(op.Namespace)
}

func (x *script) note(name string, u *unstructured.Unstructured) {
	x.seen[name] = u.DeepCopy()
	if x.first[name] == "" {
		x.first[name] = u.GetResourceVersion()
	}
}

var reference = regexp.MustCompile(`\$(uid|rv|first)\(([^)]*)\)`)

func (x *script) replace(text string) string {
	text = strings.ReplaceAll(text, "NAMESPACE", x.namespace)
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		u := x.seen[m[2]]
		switch {
		case u == nil:
			return "unknown"
		case m[1] == "uid":
			return string(u.GetUID())
		case m[1] == "first":
			return x.first[m[2]]
		}
		return u.GetResourceVersion()
	})
}

func (x *script) one(ctx context.Context, c dynamic.ResourceInterface, at object, op Op) (*unstructured.Unstructured, error) {
	var sub []string
	if at.sub != "" {
		sub = []string{at.sub}
	}
	var dry []string
	if op.DryRun {
		dry = []string{metav1.DryRunAll}
	}
	if op.Do == "get" {
		return c.Get(ctx, at.name, metav1.GetOptions{}, sub...)
	}
	body, err := op.body(x.replace)
	if err != nil {
		return nil, err
	}
	patch := metav1.PatchOptions{FieldManager: op.As, FieldValidation: op.Validation, DryRun: dry}
	switch op.Do {
	case "apply":
		patch.Force = &op.Force
		return c.Patch(ctx, at.name, types.ApplyPatchType, body, patch, sub...)
	case "merge":
		return c.Patch(ctx, at.name, types.MergePatchType, body, patch, sub...)
	case "json":
		return c.Patch(ctx, at.name, types.JSONPatchType, body, patch, sub...)
	}
	u := &unstructured.Unstructured{}
	if err := json.UnmarshalCaseSensitivePreserveInts(body, &u.Object); err != nil {
		return nil, err
	}
	if op.Onto && x.seen[at.name] != nil {
		u.Object = overlay(x.seen[at.name].DeepCopy().Object, u.Object)
	}
	if op.Do == "create" {
		return c.Create(ctx, u, metav1.CreateOptions{FieldManager: op.As, FieldValidation: op.Validation, DryRun: dry}, sub...)
	}
	return c.Update(ctx, u, metav1.UpdateOptions{FieldManager: op.As, FieldValidation: op.Validation, DryRun: dry}, sub...)
}

// overlay lays one object over another: null removes.
func overlay(onto, body map[string]any) map[string]any {
	for k, v := range body {
		below, isMap := v.(map[string]any)
		under, wasMap := onto[k].(map[string]any)
		switch {
		case v == nil:
			delete(onto, k)
		case isMap && wasMap:
			onto[k] = overlay(under, below)
		default:
			onto[k] = v
		}
	}
	return onto
}

func (x *script) deletion(op Op) metav1.DeleteOptions {
	var o metav1.DeleteOptions
	if op.DryRun {
		o.DryRun = []string{metav1.DryRunAll}
	}
	if op.Policy != "" {
		p := metav1.DeletionPropagation(op.Policy)
		o.PropagationPolicy = &p
	}
	if op.UID != "" || op.RV != "" {
		o.Preconditions = &metav1.Preconditions{}
	}
	if op.UID != "" {
		uid := types.UID(x.replace(op.UID))
		o.Preconditions.UID = &uid
	}
	if op.RV != "" {
		rv := x.replace(op.RV)
		o.Preconditions.ResourceVersion = &rv
	}
	return o
}

func (x *script) from(op Op) string {
	if op.From == "$list" {
		return x.list
	}
	return x.replace(op.From)
}

func (x *script) lists(ctx context.Context, c dynamic.ResourceInterface, op Op) (any, error) {
	o := metav1.ListOptions{LabelSelector: op.Selector, Limit: op.Limit, ResourceVersion: x.from(op), ResourceVersionMatch: metav1.ResourceVersionMatch(op.Match)}
	if op.Continue {
		o.Continue = x.next
	}
	list, err := c.List(ctx, o)
	if err != nil {
		return nil, err
	}
	x.list, x.next = list.GetResourceVersion(), list.GetContinue()
	out := map[string]any{"apiVersion": list.GetAPIVersion(), "kind": list.GetKind(), "goesOn": x.next != ""}
	if n := list.GetRemainingItemCount(); n != nil {
		out["remainingItemCount"] = *n
	}
	var names []any
	for i := range list.Items {
		u := &list.Items[i]
		names = append(names, map[string]any{"name": u.GetName(), "kind": u.GetKind(), "apiVersion": u.GetAPIVersion(), "metadata": map[string]any{"resourceVersion": u.GetResourceVersion()}})
	}
	out["items"] = names
	return out, nil
}

func (x *script) watch(ctx context.Context, c dynamic.ResourceInterface, op Op) error {
	x.stop()
	o := metav1.ListOptions{LabelSelector: op.Selector, ResourceVersion: x.from(op), ResourceVersionMatch: metav1.ResourceVersionMatch(op.Match)}
	if op.Initial {
		yes := true
		o.SendInitialEvents, o.AllowWatchBookmarks, o.ResourceVersionMatch = &yes, true, metav1.ResourceVersionMatchNotOlderThan
	}
	w, err := c.Watch(ctx, o)
	if err != nil {
		return err
	}
	x.events, x.stop = w.ResultChan(), w.Stop
	return nil
}

// take reads events.
func (x *script) take(count int) (any, error) {
	var out []any
	late := time.After(patience)
	for len(out) < count {
		select {
		case e, open := <-x.events:
			if !open {
				return append(out, "end"), nil
			}
			if u, ok := e.Object.(*unstructured.Unstructured); ok && e.Type == apiwatch.Bookmark && len(u.GetAnnotations()) == 0 {
				continue // a server sends one when it likes
			}
			out = append(out, x.event(e))
		case <-late:
			return nil, fmt.Errorf("%d of %d events came within %s", len(out), count, patience)
		}
	}
	return out, nil
}

func (x *script) event(e apiwatch.Event) any {
	if st, ok := e.Object.(*metav1.Status); ok {
		return map[string]any{"type": string(e.Type), "code": int64(st.Code), "reason": string(st.Reason)}
	}
	u, ok := e.Object.(*unstructured.Unstructured)
	if !ok {
		return fmt.Sprintf("%s %T", e.Type, e.Object)
	}
	if e.Type == apiwatch.Bookmark {
		return map[string]any{"type": string(e.Type), "kind": u.GetKind(), "apiVersion": u.GetAPIVersion(), "annotations": anyMap(u.GetAnnotations())}
	}
	if e.Type == apiwatch.Error {
		return map[string]any{"type": string(e.Type), "code": u.Object["code"], "reason": u.Object["reason"]}
	}
	return map[string]any{"type": string(e.Type), "object": u.Object}
}

func anyMap(m map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// wait waits until an object is gone, or is at least being deleted.
func (x *script) wait(ctx context.Context, c dynamic.ResourceInterface, until, name string) error {
	if x.server.Settle != nil {
		x.server.Settle()
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		u, err := c.Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err), err == nil && until == "going" && u.GetDeletionTimestamp() != nil:
			return nil
		case err != nil:
			return err
		case x.server.Settle != nil:
			return fmt.Errorf("%s %s is not %s: %v", u.GetKind(), name, until, u.Object["metadata"])
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not %s after %s", name, until, patience)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// discover prints what discovery says of a group and version, or that it knows none.
func (x *script) discover(gv string) (any, error) {
	_, lists, err := x.server.Discovery.ServerGroupsAndResources()
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, list := range lists {
		for _, r := range list.APIResources {
			// Parts of objects other than status are not simulated.
			if _, part, _ := strings.Cut(r.Name, "/"); strings.HasPrefix(list.GroupVersion+"/"+r.Name, gv) && (part == "" || part == "status") {
				out[r.Name] = map[string]any{
					"kind": r.Kind, "namespaced": r.Namespaced, "singular": r.SingularName, "verbs": fmt.Sprint(slices.Sorted(slices.Values(r.Verbs))),
					"short": fmt.Sprint(r.ShortNames),
				}
			}
		}
	}
	return out, nil
}
