// Package rules replays, against the real code and a real server, the traces by
// which the model checker broke the protocol before it had its rules. Each rule of
// docs/protocol has a test named after it, here or beside the code that keeps it;
// the table there says where. internal/mutants takes each rule's line out and sees
// its test fail.
package rules
