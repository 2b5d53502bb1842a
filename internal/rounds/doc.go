// Package rounds says how often a test of values that are drawn at random draws.
package rounds
