package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

func TestKindOf(t *testing.T) {
	denied := fault.New(fault.Denied, io.EOF)
	for _, x := range []struct {
		err  error
		kind fault.Kind
		name string
	}{
		{nil, fault.Internal, "internal"},
		{io.EOF, fault.Internal, "internal"},
		{denied, fault.Denied, "denied"},
		{fmt.Errorf("read: %w", denied), fault.Denied, "denied"},
		{fault.New(fault.Transient, fmt.Errorf("read: %w", denied)), fault.Transient, "transient"}, // the outermost knows most
		{errors.Join(io.EOF, fault.Newf(fault.Conflict, "x")), fault.Conflict, "conflict"},
		{fault.Newf(fault.Invalid, "x: %w", io.EOF), fault.Invalid, "invalid"},
	} {
		if got := fault.KindOf(x.err); got != x.kind || got.String() != x.name {
			t.Errorf("%v: %s, want %s", x.err, got, x.name)
		}
	}
	if fault.New(fault.Denied, nil) != nil {
		t.Error("no error became one")
	}
	if !errors.Is(denied, io.EOF) || denied.Error() != "EOF" {
		t.Errorf("the held error is lost: %v", denied)
	}
}

func TestAfter(t *testing.T) {
	slow := &fault.Error{Kind: fault.Transient, Err: io.EOF, After: time.Minute}
	for _, x := range []struct {
		err   error
		after time.Duration
	}{
		{nil, 0},
		{io.EOF, 0},
		{slow, time.Minute},
		{fmt.Errorf("fetch: %w", slow), time.Minute},
		{fault.New(fault.Denied, fmt.Errorf("fetch: %w", slow)), time.Minute},
	} {
		if got := fault.After(x.err); got != x.after {
			t.Errorf("%v: %s, want %s", x.err, got, x.after)
		}
	}
}
