package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/app"
)

func TestHookOf(t *testing.T) {
	const (
		own, argo, helm = "fairlead.dev/hook", "argocd.argoproj.io/hook", "helm.sh/hook"
		argoDelete      = "argocd.argoproj.io/hook-delete-policy"
		helmDelete      = "helm.sh/hook-delete-policy"
		weight          = "helm.sh/hook-weight"
	)
	for _, x := range []struct {
		pairs []string
		is    string
	}{
		{nil, ""},
		{[]string{own, "before"}, "install before, upgrade before"},
		{[]string{own, "after"}, "install after, upgrade after"},
		{[]string{own, "failed"}, "install failed, upgrade failed, rollback failed"},
		{[]string{own, "before", argo, "PostSync", helm, "test"}, "install before, upgrade before"},
		{[]string{own, "before", "fairlead.dev/apply", "never"}, "never"},
		{[]string{argo, "PreSync"}, "install before, upgrade before"},
		{[]string{argo, "Sync"}, "install during, upgrade during"},
		{[]string{argo, " PreSync , PostSync"}, "install before after, upgrade before after"},
		{[]string{argo, "SyncFail", helm, "pre-install"}, "install failed, upgrade failed, rollback failed"},
		{[]string{argo, "Skip"}, "never"},
		{[]string{argo, "PreDelete"}, "deletion before"},
		{[]string{argo, "PostDelete,PostSync"}, "install after, upgrade after, deletion after"},
		{[]string{argo, "Presync"}, ""}, // to Argo CD an object like any other
		{[]string{argo, "Presync", helm, "pre-install"}, "install before alone"},
		{[]string{helm, "pre-install"}, "install before alone"},
		{[]string{helm, "Pre-Install, POST-UPGRADE"}, "install before, upgrade after alone"},
		{[]string{helm, "pre-install,pre-upgrade", weight, "-5"}, "install before, upgrade before alone -5"},
		{[]string{helm, "post-install, pre-upgrade", weight, "x"}, "install after, upgrade before alone"},
		{[]string{helm, "post-rollback", argo, "", weight, "3"}, "rollback after alone 3"},
		{[]string{helm, "Pre-Install,POST-UPGRADE"}, "install before, upgrade after alone"},
		{[]string{helm, "test"}, "never"},
		{[]string{helm, "post-install,test"}, "install after alone"},
		{[]string{helm, "test-success,pre-delete"}, "deletion before alone"},
		{[]string{helm, "pre-delete,post-delete", helmDelete, "hook-succeeded"}, "deletion before after alone, gone if it succeeded"},
		{[]string{helm, "crd-install"}, "never"}, // as Helm does with what it does not know
		{[]string{helm, "pre-install", helmDelete, "before-hook-creation,hook-succeeded"}, "install before alone, gone if it succeeded"},
		{[]string{helm, "pre-install", helmDelete, "hook-failed"}, "install before alone, gone if it failed"},
		{[]string{argo, "PreSync", argoDelete, "HookSucceeded, HookFailed"}, "install before, upgrade before, gone if it succeeded, gone if it failed"},
		{[]string{argo, "PreSync", argoDelete, "BeforeHookCreation", helmDelete, "hook-failed"}, "install before, upgrade before"},
		{[]string{own, "after", helmDelete, "hook-succeeded"}, "install after, upgrade after, gone if it succeeded"},
	} {
		o := annotated(x.pairs...)
		got := describeHook(app.HookOf(o))
		if app.ApplyOf(o) == app.ApplyNever {
			if got != "" {
				t.Errorf("%v is %s, and is never applied", x.pairs, got)
			}
			got = "never"
		}
		if got != x.is {
			t.Errorf("%v is %q, want %q", x.pairs, got, x.is)
		}
	}
}

func describeHook(h app.Hook) string {
	var parts []string
	for _, on := range []app.Occasion{app.Install, app.Upgrade, app.Rollback, app.Deletion} {
		if when := h.Moments(on); len(when) > 0 {
			parts = append(parts, strings.Trim(fmt.Sprintf("%s %v", on, when), "[]"))
		}
	}
	text := strings.ReplaceAll(strings.Join(parts, ", "), "[", "")
	if h.Alone {
		text += " alone"
	}
	if h.Weight != 0 {
		text += fmt.Sprintf(" %d", h.Weight)
	}
	if h.IsSpent(true) {
		text += ", gone if it succeeded"
	}
	if h.IsSpent(false) {
		text += ", gone if it failed"
	}
	return text
}
