# Large-scale jitter with Simple Copy-Paste: random objects of a second image, augmented in the same way, are pasted
# into each image. Images are padded first, because both need the same size.
_base_ = "./cascade-mask-rcnn_swin-s_paper-lsj.py"

load_pipeline = [*_base_.train_pipeline[:-1], dict(type="Pad", size=_base_.image_size)]
train_pipeline = [dict(type="CopyPaste", max_num_pasted=100), dict(type="PackDetInputs")]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="MultiImageMixDataset",
        dataset=dict(_base_.train_dataloader.dataset, pipeline=load_pipeline),
        pipeline=train_pipeline,
    )
)
