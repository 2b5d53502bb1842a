// Package nearest finds the name that was probably meant by one that there is not.
package nearest
