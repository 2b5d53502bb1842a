// Package generate makes tables to try things on: realistic in shape, invented in
// content, and always the same for the same seed.
package generate
