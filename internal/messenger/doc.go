// Package messenger tells people what happened to apps: it sends what package notify says is due, to Slack, to Teams, by mail or to a webhook.
//
//	m := messenger.New(messenger.Options{Client: cached, Reader: api, Secret: …, May: …, Now: time.Now, Log: log})
//	again, err := m.Look(ctx, name) // whatever happened beside the Notifier; nobody else may look at the same one meanwhile
//
// What is to be told follows from the statuses of the Apps; what was told is in the status of the Notifier. For each message in turn
//
//  1. the status says that it is being sent: a write that fails if somebody else wrote since it was read;
//  2. it is sent;
//  3. the status says that it came, or why it did not and when it is tried again.
//
// So what is not in the status was not sent. A process that ends between 1 and 3 leaves a message that may have come. The next one sends it to a webhook once more
// with the same id, by which the receiver knows it; in Slack it looks for it first, among what came to the channel since it was noted, and sends it if it is not
// there. A message comes twice only if Slack does not let it look, or does not show yet what it took. Teams has
// neither: what may have come is sent again. A mail is sent again with the Message-ID that it had.
//
// Invariants:
//   - Look never sends what is not Sending in the status by a write of its own.
//   - A try is bounded in time and in what is read of the answer; no redirect is followed, and no address is asked that may not be.
//   - Nothing of a Secret is in a status, an error or a log line.
package messenger
