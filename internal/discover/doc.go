// Package discover finds the apps of an environment: the directories of a tree that match a pattern.
//
//	res, err := discover.Apps(tree, "apps/*/production")
//	res.Found // shop at apps/shop/production, web at apps/web/production
//
// Every directory that matches is an app, whether or not it holds manifests: one that renders to nothing is that app's own error. Only
// the directories on the way are listed, nothing within an app is looked at.
//
// An app that is no longer found is an app to remove, so an answer must never be shorter than the truth: a tree that cannot be
// read is an error, a base directory that does not exist is [Result.Missing], and a directory that matches but cannot be an app
// is a [Problem]. [Result.Gone] puts them together.
package discover
