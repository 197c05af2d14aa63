"""Packages that authenticate calls, each as its documentation says, in one project beside the portal's."""
