package fault

import "slices"

// Name is the name of a point.
type Name string

// The points. "before" and "after" are relative to the step that the rest of the name
// says, and "after" means that its answer has come.
const (
	ReaderBlockPublishBefore Name = "reader.block.publish.before" // each block of a task
	ReaderBlockPublishAfter  Name = "reader.block.publish.after"
	ReaderExtentAppendBefore Name = "reader.extent.append.before" // all blocks of the task are published
	ReaderExtentAppendAfter  Name = "reader.extent.append.after"
	ReaderTaskAckBefore      Name = "reader.task.ack.before"

	TransformPublishBefore Name = "transform.publish.before" // the block is worked, its input unsettled
	TransformPublishAfter  Name = "transform.publish.after"
	TransformAckBefore     Name = "transform.ack.before"

	WriterFileFinishAfter    Name = "writer.file.finish.after"    // a temporary file is complete and synced
	WriterCommitAppendBefore Name = "writer.commit.append.before" // all files of the cut are
	WriterCommitAppendAfter  Name = "writer.commit.append.after"  // the answer is known, not yet acted on
	WriterRevealBefore       Name = "writer.reveal.before"        // each file of a standing commit
	WriterRevealAfter        Name = "writer.reveal.after"
	WriterAckBefore          Name = "writer.ack.before" // the blocks of a settled cut
	WriterAckAfter           Name = "writer.ack.after"

	KeeperManifestBefore Name = "keeper.manifest.before" // coverage is complete, or the run is cancelled
	KeeperManifestAfter  Name = "keeper.manifest.after"
	KeeperSealAfter      Name = "keeper.seal.after"
	KeeperSweepMid       Name = "keeper.sweep.mid" // temporaries are gone, strangers not yet
	KeeperEndBefore      Name = "keeper.end.before"

	PlannerPlanAppendAfter Name = "planner.plan.append.after" // the plan stands, its tasks are not queued
)

var names = []Name{
	ReaderBlockPublishBefore, ReaderBlockPublishAfter, ReaderExtentAppendBefore, ReaderExtentAppendAfter, ReaderTaskAckBefore,
	TransformPublishBefore, TransformPublishAfter, TransformAckBefore,
	WriterFileFinishAfter, WriterCommitAppendBefore, WriterCommitAppendAfter, WriterRevealBefore, WriterRevealAfter, WriterAckBefore, WriterAckAfter,
	KeeperManifestBefore, KeeperManifestAfter, KeeperSealAfter, KeeperSweepMid, KeeperEndBefore,
	PlannerPlanAppendAfter,
}

// Names lists every point, for who picks one at random.
func Names() []Name { return slices.Clone(names) }
