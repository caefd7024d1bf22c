package controller

import (
	"context"
	"log/slog"

	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// quiet lets only warnings and errors of the libraries through: every decision of ours is logged by ourselves. Once the controller is being stopped, what it
// interrupts is no error.
func quiet(stopped context.Context, h slog.Handler) slog.Handler {
	return quietHandler{h, func() bool { return stopped.Err() != nil }}
}

type quietHandler struct {
	slog.Handler
	stopped func() bool
}

func (q quietHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}

// Handle logs a record. Errors come without having asked whether they are wanted.
func (q quietHandler) Handle(ctx context.Context, r slog.Record) error {
	if q.stopped() {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

func (q quietHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return quietHandler{q.Handler.WithAttrs(a), q.stopped}
}

func (q quietHandler) WithGroup(g string) slog.Handler {
	return quietHandler{q.Handler.WithGroup(g), q.stopped}
}

func withWatchPredicate(p predicate.Predicate) builder.WatchesOption {
	return builder.WithPredicates(p)
}
