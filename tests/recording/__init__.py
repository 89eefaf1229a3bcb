"""What the product asked of AWS anywhere in the test suite, held against the policies that `opsbot iam-policy` prints."""
