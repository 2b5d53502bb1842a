package expr

import (
	"crypto/md5" //nolint:gosec // asked for by name, not for security
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"

	"github.com/cespare/xxhash/v2"
)

// hashFunctions is the chapter of hashes, of the bytes of a text or of bytes.
func hashFunctions() []function {
	over := []kind{kindString, kindBytes}
	entry := func(name, doc string, result kind, k kernel, b func([]bounds) bounds, examples ...example) function {
		return function{
			name: name, form: name + "(a)", in: inHashes, method: true, doc: doc,
			signatures: familyOf(over, func(of kind) signature {
				return signature{args: []kind{of}, result: result, kernel: k, bounds: b}
			}),
			examples: examples,
		}
	}
	return []function{
		entry("sha256", "The SHA-256 of the text in UTF-8, or of the bytes: 64 hexadecimal digits.", kindString,
			hexKernel(func(dst, src []byte) { sum := sha256.Sum256(src); hex.Encode(dst, sum[:]) }, sha256.Size), nil,
			example{"sha256(country)", `"169b032adf2ab80f3bdffbdf14358d9d72565fad7708f65c65cb4d7918a4ffb2"`}),
		entry("md5", "The MD5 of the text in UTF-8, or of the bytes: 32 hexadecimal digits. It proves nothing: who wants to can make two texts of one MD5.", kindString,
			hexKernel(func(dst, src []byte) { sum := md5.Sum(src); hex.Encode(dst, sum[:]) }, md5.Size), nil, //nolint:gosec // see above
			example{"md5(country)", `"35357b9c8fe4d3273d0237ecc8ff2e75"`}),
		entry("xxh64", "The XXH64, with seed 0: fast, for sharding and sampling, not for security. Its 64 bits as an int, which may be negative.", kindInt,
			hashInts(func(s string) int64 { return int64(xxhash.Sum64String(s)) }), nil, //nolint:gosec // bits, not a number
			example{"xxh64(country)", "-2096180692455901307"}),
		entry("crc32", "The CRC-32 (IEEE), from 0 to 4294967295.", kindInt,
			hashInts(func(s string) int64 { return int64(crc32.ChecksumIEEE(bytesOf(s))) }), within(0, 1<<32-1),
			example{"crc32(country)", "2539969094"}),
	}
}

// hexKernel makes a kernel of a hash of size bytes that writes its digits.
func hexKernel(digest func(dst, src []byte), size int) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		for i, s := range args[0].strs[:f.n] {
			out.strs[i] = ""
			if !live.has(i) {
				continue
			}
			buf := f.text.alloc(2 * size)
			digest(buf, bytesOf(s))
			out.strs[i] = stringOf(buf)
		}
	}
}

func hashInts(sum func(s string) int64) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		for i, s := range args[0].strs[:f.n] {
			if live.has(i) {
				out.ints[i] = sum(s)
			}
		}
	}
}
