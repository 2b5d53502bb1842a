// Package pages follows the pages of a Parquet column chunk as its bytes come by, and
// says at the first contradiction that the chunk is damaged: before anybody decodes the
// page, and where nobody decodes it at all, because the chunk is copied.
//
//	bytes ─► header ─► of a known kind, its sizes within the chunk, its encoding one that the footer names
//	      └► body ───► CRC-32, where the page has one
//	end ───► all bytes are pages, and the values of the pages are those of the footer
//
// What it promises: a changed byte of a page's body is found when the page has a checksum,
// and a page header that lies about its page is found always, as far as the footer says
// the same thing a second time. What it cannot find: a changed byte in the body of a page
// without a checksum.
package pages
