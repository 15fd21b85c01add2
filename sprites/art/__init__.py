"""The art: free icon sets fetched from npm, rasterised to 128-pixel sprites."""
