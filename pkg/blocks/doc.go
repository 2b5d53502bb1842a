// Package blocks turns Arrow record batches into messages and back. It knows
// Arrow; it does not know NATS.
//
// # The idea
//
// A block is one record batch that knows which source rows it covers: its
// [Span]. On the wire it is a set of headers and an Arrow IPC stream (schema,
// exactly one record batch, end of stream) that any Arrow library reads:
//
//	Block{Header, Batch, Offsets} ──Encode──► Message{Header, Data}
//	                              ◄─Decode──
//
// An operator may drop rows of a block or turn them into dead letters, but it
// never changes the span. Rows that are gone are counted in the header, so that
// for every block, at every stage,
//
//	source rows of the span = rows in the batch + rows dropped + rows dead
//
// and a block that does not add up is refused. When rows are gone, [Block.Offsets]
// says which source row each remaining row is. A block without rows still
// travels, as headers only. docs/format.md draws all of it.
//
// # Guarantees
//
//   - Nothing of a payload is read before its length is checked against a limit
//     and its checksum against the header. Decoding then checks every count,
//     offset and bitmap, so a decoded batch cannot panic later, and it never
//     allocates more than a small multiple of the payload, whatever it says.
//   - Decoding copies nothing: the columns are slices of the payload. (A payload
//     whose first byte is not aligned to eight is copied once; see [Align].)
//   - The bytes of a block depend on its rows alone: not on how the batch was
//     sliced, built, or allocated. Bytes of other rows never leak into it.
//   - [Split] halves a block that is too large at the middle of its span. What it
//     decides on, [DataSize], depends on the rows alone as well, so the same data
//     always halves the same way, in every process.
//
// Columns travel in the types that every Arrow library and Parquet have in
// common. Dictionaries, views, run-ends and extension types are encodings of
// those: [Plain] decodes them, and [Encode] refuses them by name.
package blocks
