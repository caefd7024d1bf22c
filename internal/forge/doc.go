// Package forge tells GitHub, GitLab and Gitea how commits fare: the marks beside a commit and below a pull request.
//
//	f, err := forge.Open(forge.Options{Repository: "https://github.com/shop/config.git", Token: token})
//	told, err := f.Told(ctx, commit, "fairlead/production/web")    // what is said there now
//	err = f.Tell(ctx, commit, forge.Status{Context: "fairlead/production/web", State: forge.Success, Description: "applied and healthy"})
//	mark, ok, err := f.Marked(ctx, commit, "ci/build")             // what anybody says there under that name
//
// It makes one request for each of these, of GitHub two for a mark, never more than it is asked for. It decides nothing: what is to be said, and whether it was
// said before, is the caller's to know.
//
// The interfaces are those of docs.github.com/rest/commits/statuses and docs.github.com/rest/checks/runs, docs.gitlab.com/api/commits and the OpenAPI document of
// Gitea 1.24, which Forgejo shares.
//
// Invariants: the token is sent to the host of the interface alone, follows no redirect to another, and is in no error; what a forge answers is bounded.
package forge
