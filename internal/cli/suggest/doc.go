// Package suggest says how many processes of which stage would make a run faster. It is
// pure: two reports of every instance and what waits in the edges go in, one suggestion
// with its evidence comes out.
//
// A run is as fast as its slowest part. The bottleneck is the last part whose input piles
// up, since everything before it waits for room in an edge; when nothing piles up, it is
// the reader. What a part could do, if nobody held it up, is its pace over the share of
// the time that its workers worked. So the bottleneck needs as many instances as reach the
// pace of the next slowest part, which is another stage or the machine's cores.
package suggest
