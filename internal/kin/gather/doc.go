// Package gather finds the objects of apps in a cluster, and what controllers made of them, with the rights of whoever asks.
//
//	c, err := gather.Open(config)
//	found, err := c.Find(ctx, gather.Query{Apps: []app.Owner{{Namespace: "shop", Name: "prod-web"}}, Namespaces: []string{"shop"}})
//	nodes := kin.Grow(found.Objects, owner, rules.Assess)
//
// What an app claims is found by its owner mark among all kinds that can be listed; below it only those kinds are looked through that can be there, in the
// namespaces concerned. Only metadata is listed: the rest of an object is read where its health depends on it, and of a Secret or a ConfigMap only on request.
// What may not be listed is told beside what was found; it is no error.
package gather
