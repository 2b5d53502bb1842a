// Package oracle asks implementations that share no code with Levada whether an
// output is right: DuckDB compares its rows, pyarrow and hashlib compare its files with
// the manifest. Both run in the Python that LEVADA_PYTHON names; requirements.txt says
// what it needs.
package oracle
