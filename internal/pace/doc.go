// Package pace says how many requests a server may have under way at once: a [Gate], through which every request goes.
//
// The number follows what the server bears. It grows by about one in the time of a request as long as requests have to wait at the gate, and shrinks when the
// server says that it is too busy, or takes many times longer than it does at its best. What can wait, such as writing down how things stand, waits for what
// cannot, but not for ever: while much is under way that cannot wait, it goes in one by one.
//
// It sends nothing and knows nothing of HTTP: who asks says how a request went. Time is what the caller measured.
//
// Invariant: no more requests are under way than the limit was when the last of them was let in, and whoever waits is let in when there is room.
package pace
