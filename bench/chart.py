def chart(r, f):
    return ""
