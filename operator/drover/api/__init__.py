"""The contract: the models of our kinds, their closed lists of reasons, and the CRDs generated from them."""
