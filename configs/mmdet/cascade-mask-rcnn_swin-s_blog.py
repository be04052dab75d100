# Swin-S of the blog post: only the third stage is deeper than in Swin-T.
_base_ = "./cascade-mask-rcnn_swin-t_blog.py"

model = dict(backbone=dict(depths=[2, 2, 18, 2]))
