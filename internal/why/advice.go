package why

import (
	"regexp"
	"strings"
)

// turns are the words behind which a text of Fairlead's says what to do.
var turns = []string{
	"; approve with: ", "; grant it with ", ": create it", ": check ", ": name a Secret", ": remove it from ", ": undo the change", ": put ", ": add ",
	": make it ", ": sign it with ", ": let ", ": install ", ": apply the manifests", ": correct ", ": keep one", ": rename ", ": write it ", ": split ", ": delete it ",
	": it was deleted or never pushed", ": store the file", "; to leave the field ", "; a newer commit goes on",
}

// advised parts what is wrong from what to do about it, where a text of Fairlead's says both.
func advised(text string) (says string, remedy []string) {
	text = strings.TrimSuffix(strings.TrimSuffix(text, "; nothing of this commit was applied"), "; what comes after it was not applied")
	best := len(text)
	for _, t := range turns {
		if at := strings.Index(text, t); at > 0 && at < best {
			best = at
		}
	}
	if best == len(text) {
		return text, nil
	}
	rest := text[best+2:]
	switch {
	case strings.HasPrefix(rest, "approve with: "):
		return text[:best], []string{strings.TrimPrefix(rest, "approve with: ")}
	case strings.HasPrefix(rest, "it was deleted or never pushed"):
		return text[:best], []string{"push it, or let spec.sources of the Environment follow another" + strings.TrimPrefix(rest, "it was deleted or never pushed")}
	}
	return text[:best], []string{rest}
}

// asked is how Fairlead words what it did when Git gave no good answer: the Repository says as much.
var asked = regexp.MustCompile(`^(repository \S+: )?(resolve refs of|fetch|fetch from) \S+: (ask )?`)

// gitAdvice says what to do about words that Fairlead got from elsewhere.
func gitAdvice(text string) []string {
	switch {
	case strings.Contains(text, "no such host"), strings.Contains(text, "lookup "):
		return []string{"is the host in spec.url right, and does the cluster's DNS know it?"}
	case strings.Contains(text, "connection refused"), strings.Contains(text, "no answer in time"), strings.Contains(text, "timeout"), strings.Contains(text, "unreachable"):
		return []string{"is the Git server running, and may the cluster reach it? Fairlead goes on asking"}
	case strings.Contains(text, "may not read this repository"):
		return []string{"let them read it at the Git server, or put others into that Secret"}
	case strings.Contains(text, "certificate is not valid for it"):
		return []string{"is the host in spec.url right? If so, who runs the server has to renew its certificate"}
	case strings.Contains(text, "which known_hosts revokes"):
		return []string{"ask who runs the server which key is valid"}
	case strings.HasPrefix(text, "directory "):
		return []string{"add the directory to Git, or correct the path in spec.sources of the Environment"}
	case strings.HasPrefix(text, "suspended: "):
		return []string{"set spec.suspend of the Repository to false"}
	}
	return nil
}

// What an API server says of those that it asks, and who that is.
var (
	denies     = regexp.MustCompile(`admission webhook "([^"]+)" denied the request:? ?(.*)`)
	unanswered = regexp.MustCompile(`failed calling webhook "([^"]+)": (?:failed to call webhook: )?(.*)`)
	policy     = regexp.MustCompile(`ValidatingAdmissionPolicy '([^']+)'(?: with binding '([^']+)')? denied request: (.*)`)
	service    = regexp.MustCompile(`https://([a-z0-9-]+)\.([a-z0-9-]+)\.svc`)
	quota      = regexp.MustCompile(`exceeded quota: ([^,]+), (.*)`)
	security   = regexp.MustCompile(`violates PodSecurity "([^"]+)": (.*)`)
	account    = regexp.MustCompile(`error looking up service account ([^/]+)/([^:]+): `)
	// noNamespaceLeft is how Fairlead says that a namespace is on its way out.
	noNamespaceLeft = regexp.MustCompile(`namespace (\S+) is being deleted`)
)

// refusal says plainly what an API server said of an object in a namespace, and what to do about it.
func refusal(text, namespace string) (says string, remedy []string) {
	if m := denies.FindStringSubmatch(text); m != nil {
		return "webhook " + m[1] + " refuses it: " + m[2], []string{"change the manifest as the webhook asks"}
	}
	if m := unanswered.FindStringSubmatch(text); m != nil {
		says, remedy = "webhook "+m[1]+" cannot be asked: "+lastClauses(m[2], 2), []string{"kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations  # one of them has it"}
		if s := service.FindStringSubmatch(m[2]); s != nil {
			remedy = append([]string{"let what is behind it run again: kubectl -n " + s[2] + " get service,endpointslices,pods  # Service " + s[1]}, remedy...)
		}
		return says, append(remedy, "if nobody needs it any more, delete its configuration")
	}
	if m := policy.FindStringSubmatch(text); m != nil {
		return "policy " + m[1] + " refuses it: " + m[3], []string{"change the manifest as ValidatingAdmissionPolicy " + m[1] + " asks"}
	}
	if m := quota.FindStringSubmatch(text); m != nil {
		return "quota " + m[1] + " is exceeded: " + m[2],
			[]string{"raise ResourceQuota " + m[1] + " of namespace " + namespace + ", ask for less, or free some: kubectl -n " + namespace + " describe resourcequota " + m[1]}
	}
	if m := security.FindStringSubmatch(text); m != nil {
		return "PodSecurity " + m[1] + " refuses it: " + m[2], []string{"change the Pod's securityContext as that says, or relax the labels pod-security.kubernetes.io of namespace " + namespace}
	}
	if m := account.FindStringSubmatch(text); m != nil {
		return "ServiceAccount " + m[1] + "/" + m[2] + " does not exist", []string{"create it, or name another one in spec.serviceAccountName"}
	}
	return advised(text)
}

// lastClauses are the last clauses of what a chain of programs said, which say what happened.
func lastClauses(text string, n int) string {
	parts := strings.Split(text, ": ")
	return strings.Join(parts[max(0, len(parts)-n):], ": ")
}
