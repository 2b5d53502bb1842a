// Package reader is the role that plans a run and reads its source.
//
//	task queue ─► plan: list files, read footers, prune row groups, lock the sink ─► ledger
//	           └► read: row group ─► blocks ─► edge ─► extent ─► ledger ─► ack the task
//
// A task is a file and a range of its row groups. The plan fixes how many rows a
// block of it has, from the file's metadata alone, so a task that is read twice
// gives the same spans (rule 17). What the ledger already covers is not published
// again.
package reader
