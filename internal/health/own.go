package health

import (
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// ownEnvironment judges an Environment of Fairlead by its conditions, unless it is an object of one of its own apps, as where Fairlead manages itself: it would be
// waited for until it is ready, and it is not ready before that app is. What is amiss with it, it says itself.
func ownEnvironment(o object.Object) Verdict {
	owner := app.OwnerOf(o)
	if owner.Namespace == o.Namespace() && strings.HasPrefix(owner.Name, o.Name()+"-") {
		return say(Healthy, "")
	}
	return custom(o)
}
