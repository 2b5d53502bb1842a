// Package storagetest checks what storage.Bucket promises, for any adapter: each one's
// tests call Run.
package storagetest
